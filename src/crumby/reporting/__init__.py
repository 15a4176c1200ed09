"""The read path: .sql file → Query → (Period and arguments, bound) → Result → JSON, CSV, panel."""
