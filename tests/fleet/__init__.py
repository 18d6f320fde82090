"""The fleet on a real etcd (`make fleet-test`)."""
