// BurinPasses
