"""What gates share: how a tool is started, and how its report is read."""
