"""What does OCI call things? References, digests, hosts, platforms, manifests, logins; imports nothing of ours."""
