"""The teachers: vision-language models that reason about quality, from recipe to model folder."""
