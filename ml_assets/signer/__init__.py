"""The signer process: holds keys, secrets and tokens, and signs statements for everything else."""
