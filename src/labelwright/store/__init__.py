"""The store: SQL tables, migrations, transactions, and one module of functions per noun.

Every function takes the transaction first. SQL never leaves this package and only nouns of the core come out.
"""
