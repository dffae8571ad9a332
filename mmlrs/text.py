"""Text: tokens, features and embeddings."""

from __future__ import annotations

from mmlrs._generated.text import HuggingFaceTokenizer, TextEmbedder

__all__ = ["HuggingFaceTokenizer", "TextEmbedder"]
