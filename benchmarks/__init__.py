"""What the performance figures in docs/performance.md are measured with; each module is one `lab bench …`."""
