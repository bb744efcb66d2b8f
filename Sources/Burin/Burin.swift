// One module is all that people import: programs and extents are the language's, model directories and
// their errors are the files'.
@_exported import BurinHub
@_exported import BurinIR
