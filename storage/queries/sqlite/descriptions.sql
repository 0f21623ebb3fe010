-- name: put_description
INSERT INTO descriptions (kind, id, definition, is_deleted) VALUES (:kind, :id, :definition, :is_deleted)
ON CONFLICT (kind, id) DO UPDATE SET definition = excluded.definition, is_deleted = excluded.is_deleted;

-- name: description
SELECT definition FROM descriptions WHERE kind = :kind AND id = :id;

-- name: descriptions
SELECT kind, id, definition FROM descriptions;
