"""Links that show chosen panels to whoever has them, and single panels for other sites' pages."""
