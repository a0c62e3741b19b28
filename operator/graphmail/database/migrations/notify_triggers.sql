-- Added to one of the product's tables, only when asked for. Deletions are not told: the comparison finds them, many at once, as its guard needs.
CREATE TRIGGER graphmail_inserted AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION graphmail.tell_of_change();
CREATE TRIGGER graphmail_updated AFTER UPDATE OF {columns} ON {table} FOR EACH ROW WHEN ({changed})
  EXECUTE FUNCTION graphmail.tell_of_change();
