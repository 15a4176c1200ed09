"""The write path: bytes → Hit → Visit | Event → committed row → 2xx."""
