// BurinIR
