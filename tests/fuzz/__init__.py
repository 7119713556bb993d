"""Files from the world, read under a limit of time and memory: every one ends in a value or in one sentence of ours.

`readers.py` lists what is read, with whole files to begin with; `mutations.py` damages them; `trial.py` judges a reader's answer.
`python -m tests.fuzz` reads tens of thousands with each reader in a process of its own (`make fuzz`).
"""
