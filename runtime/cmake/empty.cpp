// Gives a target that has no source of its own something to compile.
