"""Everything that knows the cryptography library: ciphers that seal, keys that sign; imported where it is used."""
