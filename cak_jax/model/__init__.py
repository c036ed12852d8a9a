"""The method, pure: the CAK transform, its critic, its audits, one training step."""
