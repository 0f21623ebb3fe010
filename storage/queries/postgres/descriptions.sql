-- name: put_description
INSERT INTO descriptions (kind, id, definition, is_deleted)
VALUES (%(kind)s, %(id)s, %(definition)s, %(is_deleted)s)
ON CONFLICT (kind, id) DO UPDATE SET definition = excluded.definition, is_deleted = excluded.is_deleted;

-- name: description
SELECT definition FROM descriptions WHERE kind = %(kind)s AND id = %(id)s;

-- name: descriptions
SELECT kind, id, definition FROM descriptions;
