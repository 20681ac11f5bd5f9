#!/bin/bash
# The paper's best pair on Slurm: each member on two nodes of eight cards (tensor-parallel inside, pipeline-parallel across),
# `gac` on the first node of the first member. Submit in the repository: sbatch recipes/paper/vllm/slurm.sh
#SBATCH --job-name=gac-paper
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --requeue
set -euo pipefail

# GAC_URL_* below stand in the recipe's copy; a requeued job goes on with the same folder.
output=${OUTPUT:-results/gac-qwen2-llama-3-vllm}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")

# serve MODEL PORT HEAD WORKER: vLLM over two nodes with Ray.
serve() {
    srun --overlap --nodes=1 --ntasks=1 --nodelist="$3" bash -c \
        "ray start --head --port=6379 && exec vllm serve $1 --host 0.0.0.0 --port $2 -tp 8 -pp 2 \
         --distributed-executor-backend ray --dtype bfloat16 --max-model-len 8192 --max-logprobs -1" &
    srun --overlap --nodes=1 --ntasks=1 --nodelist="$4" bash -c \
        "until ray start --address=$3:6379 --block; do sleep 5; done" &
}
serve Qwen/Qwen2-72B-Instruct 8001 "${nodes[0]}" "${nodes[1]}"
serve meta-llama/Meta-Llama-3-70B-Instruct 8002 "${nodes[2]}" "${nodes[3]}"
for server in "${nodes[0]}:8001" "${nodes[2]}:8002"; do
    until curl --silent --fail "http://$server/health"; do sleep 10; done
done

recipe=$(mktemp --suffix=.toml)
sed -e "s#localhost:8001#${nodes[0]}:8001#; s#localhost:8002#${nodes[2]}:8002#" \
    recipes/paper/vllm/gac-qwen2-llama-3.toml >"$recipe"
gac run "$recipe" --output-path "$output"
