DROP TABLE np_feature_flags_history;
DROP TABLE np_feature_flags_segments;
DROP TABLE np_feature_flags_flags;
DROP FUNCTION np_feature_flags_changed();
