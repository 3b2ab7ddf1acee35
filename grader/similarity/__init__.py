"""Which submissions are alike in what their students made themselves: a pointer for a person, never a verdict."""

from grader.similarity.find import compare_class

__all__ = ["compare_class"]
