#!/bin/bash
# A run in shards as a Slurm array: every task is one shard, a requeued task goes on with its folder.
#
#     sbatch --array=0-7 scripts/cluster/slurm_array.sh RECIPE FOLDER [gac run's own flags]
#     sbatch --dependency=afterok:JOB --wrap 'gac merge FOLDER/shard-* -o FOLDER/merged'
#
# GAC names the binary. Memory, cards and time are the cluster's to say, as flags of sbatch.
#SBATCH --job-name=gac
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
recipe=${1:?"usage: sbatch --array=0-N slurm_array.sh RECIPE FOLDER [flags]"}
folder=${2:?"a folder for the shards"}
shift 2
# The array counts from its least index; shards count from 0.
shard=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN))
exec "${GAC:-gac}" run "$recipe" --shard "$shard/$SLURM_ARRAY_TASK_COUNT" --output-path "$folder/shard-$shard" "$@"
