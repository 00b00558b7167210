"""Score a corpus: tar shards, Parquet files or a folder in, one Parquet file a shard out.

`score_corpus` does all of it on this computer, or on a Ray cluster; `CorpusScorer` is the actor
class that it scores with, for pipelines of one's own (`docs/corpus.md`). Importing this needs
nothing beyond the core; writing and reading Parquet needs the extra ``corpus``, a cluster the extra
``ray``.
"""

from __future__ import annotations

from ralikit.corpus.actor import CorpusScorer
from ralikit.corpus.run import CorpusResult, score_corpus
from ralikit.corpus.settings import CorpusSettings

__all__ = ["CorpusResult", "CorpusScorer", "CorpusSettings", "score_corpus"]
