"""What several tests share: builders, servers, processes, clients and drivers."""
