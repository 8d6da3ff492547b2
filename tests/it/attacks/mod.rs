//! Hostile strangers, by the class of what they try. Each class is tried in more spellings than those that made it known.

mod bodies;
mod body_and_slow;
mod credentials;
mod fields;
mod framing;
mod headers;
mod method_host;
mod new_files;
mod objects;
mod operations;
mod path;
mod query;
pub mod random;
pub mod secret_paths;
mod tenants;
mod tokens;

pub use credentials::bind_subjects;

use crate::support::tape::Tests;

/// Tests by their names.
macro_rules! tests {
    ($($room:ident: $($test:ident)+);+) => {
        &[$($((concat!(stringify!($room), "::", stringify!($test)), $room::$test)),+),+]
    };
}

/// Those whose requests another proxy can be sent too: to the policy of all tests.
pub const TO_ROUTES: &Tests = tests! {
    path:
        dot_segments_in_any_spelling_are_refused
        encoded_slashes_are_refused
        backslashes_are_refused
        what_is_encoded_twice_is_refused
        empty_segments_are_refused
        path_parameters_are_refused
        control_characters_and_raw_bytes_are_refused
        a_fragment_is_refused_and_an_encoded_one_is_text
        an_encoded_question_mark_hides_no_dots
        another_case_is_another_path_and_never_open
        every_variant_of_a_closed_prefix_is_judged
        the_organization_of_the_path_is_one_segment
        a_variable_is_decoded_once_and_the_bytes_stay
        an_id_in_any_case_is_the_same_organization
        a_target_of_another_form_or_host_is_refused
        what_is_not_utf8_is_refused
        suffixes_and_overrides_in_the_query_change_no_rule
        a_rewritten_target_is_judged_again
        a_hole_is_closed_for_superusers_too;
    query:
        a_repeated_parameter_is_ambiguous
        a_parameter_in_another_spelling_is_ambiguous
        a_parameter_that_names_nothing_is_refused
        a_header_that_names_the_organization_is_there_once;
    method_host:
        a_method_is_what_the_request_line_says
        odd_methods_are_refused_or_count_as_writing
        requests_about_the_server_itself_are_refused
        a_host_that_is_no_host_or_two_is_refused
        no_header_names_another_host;
    headers:
        identity_headers_come_from_postern_alone
        the_usual_identity_headers_do_not_pass
        what_connection_names_cannot_take_our_headers_away
        headers_of_one_hop_stay_on_it
        trailers_tell_the_upstream_nothing
        a_stranger_does_not_say_where_it_comes_from
        headers_that_name_another_target_change_nothing
        a_probe_s_name_opens_nothing
        values_that_could_end_a_header_are_refused
        too_many_or_too_large_headers_are_431;
    fields:
        hop_by_hop_headers_and_credentials_go_in_no_spelling
        a_refused_request_is_told_its_own_fault;
    framing:
        ambiguous_lengths_are_refused_and_end_the_connection
        malformed_request_lines_are_refused
        chunks_are_read_in_one_way_only
        the_upstream_s_framing_is_written_anew
        an_upgrade_that_is_not_allowed_is_not_passed_on
        pipelined_requests_are_judged_one_by_one;
    tokens:
        nothing_is_not_a_malformed_credential
        a_bad_credential_never_falls_through
        the_scheme_is_written_in_any_case
        two_credentials_are_ambiguous
        a_token_counts_in_its_own_place_only
        an_inactive_user_has_no_rights
        a_credential_is_forwarded_only_where_the_route_says_so;
    tenants:
        members_read_managers_and_owners_write
        an_owner_is_more_than_a_manager
        the_upstream_is_told_the_level
        a_disabled_organization_has_no_members
        nobody_learns_which_organizations_exist
        a_superuser_s_passes_are_marked
        the_caller_s_only_organization_is_theirs_alone
};

/// Those with a policy of their own.
pub const TO_OTHERS: &Tests = tests! {
    fields:
        a_header_that_decides_and_that_connection_names_is_refused
        bytes_above_ascii_pass_where_nobody_reads_them
        bytes_above_ascii_in_a_header_that_decides_are_refused;
    method_host:
        a_host_in_any_spelling_is_one_host
        a_route_of_one_host_does_not_answer_for_another;
    headers:
        a_name_that_any_file_injects_is_stripped_everywhere;
    path:
        an_added_prefix_stays_in_front;
    query:
        sources_that_differ_are_ambiguous;
    credentials:
        a_token_does_not_choose_its_key
        a_token_is_for_us_and_for_now
        what_one_issuer_vouches_for_another_does_not
};

/// Those whose bodies decide.
pub const TO_BODIES: (&str, &Tests) = (
    bodies::POLICY,
    tests! {
        bodies: a_key_that_is_there_twice_in_whatever_spelling_is_refused a_type_that_says_something_else_is_never_a_body_without_an_organization null_and_what_is_no_name_are_no_organization every_element_of_a_list_is_judged an_object_is_not_moved_into_or_out_of_another_organization an_object_that_is_pointed_at_is_told_like_one_that_is_not_there what_the_end_of_a_body_or_a_get_says_is_not_read
    },
);

/// Those about objects that a database knows.
pub const TO_OBJECTS: (&str, &Tests) = (
    objects::POLICY,
    tests! {
        objects: members_read_managers_write_and_nobody_enters_a_disabled_organization what_is_shared_is_read_by_managers_and_written_by_superusers a_foreign_object_a_missing_one_and_a_statement_are_told_alike_in_alike_time two_rows_and_no_answer_in_time_are_no_object_of_anybody
    },
);
