"""Real gateways in network namespaces: what the system tests and the demo are built on."""
