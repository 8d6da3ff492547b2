//! Hostile strangers, by the class of what they try. Each class is tried in more spellings than those that made it known.

mod path;
