#!/usr/bin/env python3
"""Validates the manifests for Kubernetes of this repository.

    pip install kubernetes-validate; python scripts/cluster/validate.py [--version 1.37] [FILE...]

Jobs, services and the pods of a LeaderWorkerSet are held against Kubernetes' own schemas, unknown fields refused. What a
LeaderWorkerSet has around its pods is held against the fields of leaderworkerset.x-k8s.io/v1 (api/leaderworkerset/v1 of
kubernetes-sigs/lws, whose generated schema is these and the pods'). Exit code 1 when something is wrong.
"""

import argparse
import sys
from pathlib import Path

import yaml
from kubernetes_validate import validate

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "scripts/cluster/kubernetes_job.yaml", ROOT / "recipes/paper/vllm/kubernetes.yaml"]
SPEC = {"replicas", "leaderWorkerTemplate", "rolloutStrategy", "startupPolicy", "networkConfig"}
TEMPLATE = {"leaderTemplate", "workerTemplate", "size", "restartPolicy", "subGroupPolicy", "volumeClaimTemplates",
            "persistentVolumeClaimRetentionPolicy"}
RESTART = {"Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None"}


def leader_worker_set(document, version):
    spec = document["spec"]
    template = spec["leaderWorkerTemplate"]
    if document["apiVersion"] != "leaderworkerset.x-k8s.io/v1":
        raise ValueError(f"{document['apiVersion']} of a LeaderWorkerSet")
    for found, known in [(spec, SPEC), (template, TEMPLATE)]:
        if unknown := set(found) - known:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
    if "workerTemplate" not in template or template.get("restartPolicy", "None") not in RESTART:
        raise ValueError("no `workerTemplate`, or an unknown `restartPolicy`")
    if not all(isinstance(count, int) for count in (spec.get("replicas", 1), template.get("size", 1))):
        raise ValueError("`replicas` and `size` are integers")
    for name in ("leaderTemplate", "workerTemplate"):
        pod = template.get(name)
        if pod:
            metadata = {"name": name.lower(), **pod.get("metadata", {})}
            validate({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}, version, strict=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=FILES, metavar="FILE")
    parser.add_argument("--version", default="1.37")
    args = parser.parse_args()
    wrong = False
    for path in args.files:
        for document in filter(None, yaml.safe_load_all(path.read_text())):
            try:
                if document["kind"] == "LeaderWorkerSet":
                    leader_worker_set(document, args.version)
                else:
                    validate(document, args.version, strict=True)
                print(f"{path}: {document['kind']} is valid")
            except Exception as error:
                wrong = True
                print(f"{path}: {document.get('kind')}: {error}")
    sys.exit(wrong)


if __name__ == "__main__":
    main()
