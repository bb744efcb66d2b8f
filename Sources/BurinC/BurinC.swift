// BurinC
