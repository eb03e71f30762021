"""What an installation has and lacks, and how fast it is."""
