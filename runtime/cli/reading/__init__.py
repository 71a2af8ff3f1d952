"""Commands that read: what was said and done, now, before or as it happens, and whether the server is well."""
