"""From a person's text to a model's streamed answer: prompts, providers, what a browser reads."""
