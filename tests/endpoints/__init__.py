"""Real HTTP endpoints that stand in for a paid language model: replayed, scripted, and llama.cpp's own server."""
