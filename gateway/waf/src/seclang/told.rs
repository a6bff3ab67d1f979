//! What a gateway tells rules of a route, instead of letting them guess: members of TX that are set before the first rule runs.

/// What rules are told. The names are CRS's, version 3 and 4, and two of the gateway's own.
#[derive(Clone, Copy, Debug)]
pub struct Told<'t> {
    /// The paranoia level, 1 to 4.
    pub paranoia: &'t str,
    /// The score that is too high.
    pub threshold: &'t str,
    /// The method, which the router has matched with the route's.
    pub method: &'t str,
    /// The route, `<module>.<Action>`.
    pub route: &'t str,
    /// The tenant.
    pub tenant: &'t str,
    /// The content types that the route admits, as CRS writes them; none leaves that to the rules.
    pub content_types: Option<&'t str>,
}

impl<'t> Told<'t> {
    /// As strict as CRS is as it comes, for a GET of nobody's.
    pub const STOCK: Told<'static> =
        Told { paranoia: "1", threshold: "5", method: "GET", route: "", tenant: "", content_types: None };

    /// The members and their values: give [`Told::of`] of them to a [`Setup`](super::Setup).
    pub fn members(&self) -> [(&'t str, &'t str); 9] {
        [
            ("paranoia_level", self.paranoia),
            ("executing_paranoia_level", self.paranoia),
            ("blocking_paranoia_level", self.paranoia),
            ("detection_paranoia_level", self.paranoia),
            ("inbound_anomaly_score_threshold", self.threshold),
            ("allowed_methods", self.method),
            ("cedargate_route", self.route),
            ("cedargate_tenant", self.tenant),
            ("allowed_request_content_type", self.content_types.unwrap_or_default()),
        ]
    }

    /// Of the members, those that are set.
    pub fn of<'m>(&self, members: &'m [(&'t str, &'t str); 9]) -> &'m [(&'t str, &'t str)] {
        let [first @ .., _] = members;
        if self.content_types.is_some() { members } else { first }
    }
}
