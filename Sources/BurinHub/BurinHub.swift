// BurinHub
