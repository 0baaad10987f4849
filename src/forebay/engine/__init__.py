"""Where messages wait: one contract, and a folder per engine. Engines are strangers to each other."""
