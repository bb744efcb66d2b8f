// Burin
