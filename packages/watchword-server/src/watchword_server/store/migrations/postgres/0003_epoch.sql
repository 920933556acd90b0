-- After a restore from a backup: another epoch of the log, positions past any that was lost, everything before cut off.
CREATE FUNCTION watchword_begin_epoch(
    p_now double precision, p_leeway double precision, p_jump bigint, p_audit text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_entry revocations;
BEGIN
    UPDATE revocation_head SET epoch = replace(gen_random_uuid()::text, '-', ''), position = position + p_jump;
    v_entry := watchword_write_cut_off(p_now, p_leeway, 'everything', '', NULL, 'store.restored', NULL);
    PERFORM watchword_end_shared_families(v_entry);
    PERFORM watchword_audit(v_entry.at, p_audit);
END
$$;
