"""An author's agents: made, loaded, and run, in this process or one of their own, anew when their code changes."""
