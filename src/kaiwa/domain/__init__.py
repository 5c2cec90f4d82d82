"""Values: audio, speech, events, ids. Imports nothing of ours."""
