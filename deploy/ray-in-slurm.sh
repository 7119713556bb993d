#!/bin/bash
#SBATCH --job-name=m2pt-ray
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --mem=0
# One study by Ray on all nodes of an allocation, where one calls sbatch for the project's folder:
#   sbatch --nodes=4 --gpus-per-node=8 --time=12:00:00 deploy/ray-in-slurm.sh --study studies/mine.yaml
# A job that SLURM ends lets its runs save; the same line goes on with them.
set -euo pipefail
address="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):${RAY_PORT:-6379}"
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n') # who does not have it cannot start anything in the cluster
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300
# The first node alone may be told to have no dashboard.
exec srun --cpu-bind=none bash -c 'exec ray symmetric-run --address "$0" --min-nodes "$SLURM_JOB_NUM_NODES" \
  $([ "$SLURM_PROCID" != 0 ] || echo --include-dashboard=false) -- \
  env RAY_ADDRESS="$0" m2pt study --engine ray "$@"' "$address" "$@"
