"""The nouns and pure rules of the domain; standard library only, no I/O."""
