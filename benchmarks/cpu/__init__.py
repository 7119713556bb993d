"""What the pathway, the trainer, the readers and the commands cost on this machine's processor; `python -m benchmarks.cpu`."""
