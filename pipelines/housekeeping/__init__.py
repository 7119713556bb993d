"""What takes space in a project's folder, and what of it can be removed without losing anything that a record or report needs."""
