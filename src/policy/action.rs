//! Every action of Amazon S3, and what it acts on.
//!
//! Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3". Names are compared
//! without case.

use crate::policy::PolicyError;
use crate::policy::text::Pattern;

/// What an action acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// A bucket.
    Bucket,
    /// An object.
    Object,
    /// The account, or a thing that no ARN of a bucket or object names: access points, jobs, dashboards.
    Other,
}

/// One entry of `Action` or `NotAction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ActionPattern(Pattern);

impl ActionPattern {
    /// Reads an entry. Where `foreign` actions are legal, those of other services are; an action of S3 must exist.
    pub(super) fn parse(text: &str, foreign: bool) -> Result<Self, PolicyError> {
        if text == "*" {
            return Ok(Self(Pattern::parse("*")));
        }
        let lower = text.to_ascii_lowercase();
        let (service, name) = lower.split_once(':').ok_or(PolicyError::Action)?;
        let legal = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'?' | b'-' | b'_'))
        };
        if !legal(service) || !legal(name) || (service != "s3" && !foreign) {
            return Err(PolicyError::Action);
        }
        let pattern = Self(Pattern::parse(&lower));
        if service == "s3" && pattern.known().next().is_none() {
            return Err(PolicyError::Action);
        }
        Ok(pattern)
    }

    /// Whether this covers an action, given in lower case.
    pub(super) fn matches(&self, action: &str) -> bool {
        self.0.matches(action)
    }

    /// The actions of S3 that this covers.
    pub(super) fn known(&self) -> impl Iterator<Item = &'static (&'static str, On)> {
        ACTIONS.iter().filter(|(name, _)| self.matches(name))
    }
}

/// Every action in lower case.
pub(super) const ACTIONS: &[(&str, On)] = &[
    ("s3:abortmultipartupload", On::Object),
    ("s3:bypassgovernanceretention", On::Object),
    ("s3:deleteobject", On::Object),
    ("s3:deleteobjecttagging", On::Object),
    ("s3:deleteobjectversion", On::Object),
    ("s3:deleteobjectversiontagging", On::Object),
    ("s3:getobject", On::Object),
    ("s3:getobjectacl", On::Object),
    ("s3:getobjectattributes", On::Object),
    ("s3:getobjectlegalhold", On::Object),
    ("s3:getobjectretention", On::Object),
    ("s3:getobjecttagging", On::Object),
    ("s3:getobjecttorrent", On::Object),
    ("s3:getobjectversion", On::Object),
    ("s3:getobjectversionacl", On::Object),
    ("s3:getobjectversionattributes", On::Object),
    ("s3:getobjectversionforreplication", On::Object),
    ("s3:getobjectversiontagging", On::Object),
    ("s3:getobjectversiontorrent", On::Object),
    ("s3:initiatereplication", On::Object),
    ("s3:listmultipartuploadparts", On::Object),
    ("s3:objectowneroverridetobucketowner", On::Object),
    ("s3:putobject", On::Object),
    ("s3:putobjectacl", On::Object),
    ("s3:putobjectlegalhold", On::Object),
    ("s3:putobjectretention", On::Object),
    ("s3:putobjecttagging", On::Object),
    ("s3:putobjectversionacl", On::Object),
    ("s3:putobjectversiontagging", On::Object),
    ("s3:replicatedelete", On::Object),
    ("s3:replicateobject", On::Object),
    ("s3:replicatetags", On::Object),
    ("s3:restoreobject", On::Object),
    ("s3:updateobjectencryption", On::Object),
    ("s3:createbucket", On::Bucket),
    ("s3:createbucketmetadatatableconfiguration", On::Bucket),
    ("s3:deletebucket", On::Bucket),
    ("s3:deletebucketmetadatatableconfiguration", On::Bucket),
    ("s3:deletebucketpolicy", On::Bucket),
    ("s3:deletebucketwebsite", On::Bucket),
    ("s3:getaccelerateconfiguration", On::Bucket),
    ("s3:getanalyticsconfiguration", On::Bucket),
    ("s3:getbucketabac", On::Bucket),
    ("s3:getbucketacl", On::Bucket),
    ("s3:getbucketcors", On::Bucket),
    ("s3:getbucketlocation", On::Bucket),
    ("s3:getbucketlogging", On::Bucket),
    ("s3:getbucketmetadatatableconfiguration", On::Bucket),
    ("s3:getbucketnotification", On::Bucket),
    ("s3:getbucketobjectlockconfiguration", On::Bucket),
    ("s3:getbucketownershipcontrols", On::Bucket),
    ("s3:getbucketpolicy", On::Bucket),
    ("s3:getbucketpolicystatus", On::Bucket),
    ("s3:getbucketpublicaccessblock", On::Bucket),
    ("s3:getbucketrequestpayment", On::Bucket),
    ("s3:getbuckettagging", On::Bucket),
    ("s3:getbucketversioning", On::Bucket),
    ("s3:getbucketwebsite", On::Bucket),
    ("s3:getencryptionconfiguration", On::Bucket),
    ("s3:getintelligenttieringconfiguration", On::Bucket),
    ("s3:getinventoryconfiguration", On::Bucket),
    ("s3:getlifecycleconfiguration", On::Bucket),
    ("s3:getmetricsconfiguration", On::Bucket),
    ("s3:getreplicationconfiguration", On::Bucket),
    ("s3:listbucket", On::Bucket),
    ("s3:listbucketmultipartuploads", On::Bucket),
    ("s3:listbucketversions", On::Bucket),
    ("s3:listtagsforresource", On::Bucket),
    ("s3:pausereplication", On::Bucket),
    ("s3:putaccelerateconfiguration", On::Bucket),
    ("s3:putanalyticsconfiguration", On::Bucket),
    ("s3:putbucketabac", On::Bucket),
    ("s3:putbucketacl", On::Bucket),
    ("s3:putbucketcors", On::Bucket),
    ("s3:putbucketlogging", On::Bucket),
    ("s3:putbucketnotification", On::Bucket),
    ("s3:putbucketobjectlockconfiguration", On::Bucket),
    ("s3:putbucketownershipcontrols", On::Bucket),
    ("s3:putbucketpolicy", On::Bucket),
    ("s3:putbucketpublicaccessblock", On::Bucket),
    ("s3:putbucketrequestpayment", On::Bucket),
    ("s3:putbuckettagging", On::Bucket),
    ("s3:putbucketversioning", On::Bucket),
    ("s3:putbucketwebsite", On::Bucket),
    ("s3:putencryptionconfiguration", On::Bucket),
    ("s3:putintelligenttieringconfiguration", On::Bucket),
    ("s3:putinventoryconfiguration", On::Bucket),
    ("s3:putlifecycleconfiguration", On::Bucket),
    ("s3:putmetricsconfiguration", On::Bucket),
    ("s3:putreplicationconfiguration", On::Bucket),
    ("s3:tagresource", On::Bucket),
    ("s3:untagresource", On::Bucket),
    ("s3:updatebucketmetadatainventorytableconfiguration", On::Bucket),
    ("s3:updatebucketmetadatajournaltableconfiguration", On::Bucket),
    ("s3:associateaccessgrantsidentitycenter", On::Other),
    ("s3:createaccessgrant", On::Other),
    ("s3:createaccessgrantsinstance", On::Other),
    ("s3:createaccessgrantslocation", On::Other),
    ("s3:createaccesspoint", On::Other),
    ("s3:createaccesspointforobjectlambda", On::Other),
    ("s3:createjob", On::Other),
    ("s3:createmultiregionaccesspoint", On::Other),
    ("s3:createstoragelensgroup", On::Other),
    ("s3:deleteaccessgrant", On::Other),
    ("s3:deleteaccessgrantsinstance", On::Other),
    ("s3:deleteaccessgrantsinstanceresourcepolicy", On::Other),
    ("s3:deleteaccessgrantslocation", On::Other),
    ("s3:deleteaccesspoint", On::Other),
    ("s3:deleteaccesspointforobjectlambda", On::Other),
    ("s3:deleteaccesspointpolicy", On::Other),
    ("s3:deleteaccesspointpolicyforobjectlambda", On::Other),
    ("s3:deletejobtagging", On::Other),
    ("s3:deletemultiregionaccesspoint", On::Other),
    ("s3:deletestoragelensconfiguration", On::Other),
    ("s3:deletestoragelensconfigurationtagging", On::Other),
    ("s3:deletestoragelensgroup", On::Other),
    ("s3:describejob", On::Other),
    ("s3:describemultiregionaccesspointoperation", On::Other),
    ("s3:dissociateaccessgrantsidentitycenter", On::Other),
    ("s3:getaccessgrant", On::Other),
    ("s3:getaccessgrantsinstance", On::Other),
    ("s3:getaccessgrantsinstanceforprefix", On::Other),
    ("s3:getaccessgrantsinstanceresourcepolicy", On::Other),
    ("s3:getaccessgrantslocation", On::Other),
    ("s3:getaccesspoint", On::Other),
    ("s3:getaccesspointconfigurationforobjectlambda", On::Other),
    ("s3:getaccesspointforobjectlambda", On::Other),
    ("s3:getaccesspointpolicy", On::Other),
    ("s3:getaccesspointpolicyforobjectlambda", On::Other),
    ("s3:getaccesspointpolicystatus", On::Other),
    ("s3:getaccesspointpolicystatusforobjectlambda", On::Other),
    ("s3:getaccountpublicaccessblock", On::Other),
    ("s3:getdataaccess", On::Other),
    ("s3:getjobtagging", On::Other),
    ("s3:getmultiregionaccesspoint", On::Other),
    ("s3:getmultiregionaccesspointpolicy", On::Other),
    ("s3:getmultiregionaccesspointpolicystatus", On::Other),
    ("s3:getmultiregionaccesspointroutes", On::Other),
    ("s3:getstoragelensconfiguration", On::Other),
    ("s3:getstoragelensconfigurationtagging", On::Other),
    ("s3:getstoragelensdashboard", On::Other),
    ("s3:getstoragelensgroup", On::Other),
    ("s3:listaccessgrants", On::Other),
    ("s3:listaccessgrantsinstances", On::Other),
    ("s3:listaccessgrantslocations", On::Other),
    ("s3:listaccesspoints", On::Other),
    ("s3:listaccesspointsforobjectlambda", On::Other),
    ("s3:listallmybuckets", On::Other),
    ("s3:listcalleraccessgrants", On::Other),
    ("s3:listjobs", On::Other),
    ("s3:listmultiregionaccesspoints", On::Other),
    ("s3:liststoragelensconfigurations", On::Other),
    ("s3:liststoragelensgroups", On::Other),
    ("s3:putaccessgrantsinstanceresourcepolicy", On::Other),
    ("s3:putaccesspointconfigurationforobjectlambda", On::Other),
    ("s3:putaccesspointpolicy", On::Other),
    ("s3:putaccesspointpolicyforobjectlambda", On::Other),
    ("s3:putaccesspointpublicaccessblock", On::Other),
    ("s3:putaccountpublicaccessblock", On::Other),
    ("s3:putjobtagging", On::Other),
    ("s3:putmultiregionaccesspointpolicy", On::Other),
    ("s3:putstoragelensconfiguration", On::Other),
    ("s3:putstoragelensconfigurationtagging", On::Other),
    ("s3:submitmultiregionaccesspointroutes", On::Other),
    ("s3:updateaccessgrantslocation", On::Other),
    ("s3:updatejobpriority", On::Other),
    ("s3:updatejobstatus", On::Other),
    ("s3:updatestoragelensgroup", On::Other),
];

#[cfg(test)]
mod tests {
    use super::{ACTIONS, ActionPattern, On};

    fn covers(pattern: &str, action: &str) -> bool {
        ActionPattern::parse(pattern, false).unwrap().matches(action)
    }

    #[test]
    fn actions_are_compared_without_case() {
        assert!(covers("S3:getobject", "s3:getobject") && covers("s3:Get*", "s3:getobjectacl"));
        assert!(covers("s3:GetObject?cl", "s3:getobjectacl") && !covers("s3:GetObject", "s3:getobjectacl"));
        assert!(covers("*", "sts:assumerole"));
    }

    #[test]
    fn an_action_that_does_not_exist_is_refused() {
        for text in
            ["s3:ListObjects", "s3:Frob*", "GetObject", "s3:", ":GetObject", "s3:Get Object", "", "iam:*", "s*:*"]
        {
            assert!(ActionPattern::parse(text, false).is_err(), "{text}");
        }
        assert!(ActionPattern::parse("iam:*", true).is_ok() && ActionPattern::parse("s3:Frob", true).is_err());
    }

    #[test]
    fn the_table_has_each_action_once_in_lower_case() {
        for (at, (name, _)) in ACTIONS.iter().enumerate() {
            let short = name.strip_prefix("s3:").unwrap();
            assert!(short.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
            assert!(ACTIONS[..at].iter().all(|row| row.0 != *name), "{name}");
        }
        let on = |name: &str| ACTIONS.iter().find(|row| row.0.strip_prefix("s3:") == Some(name)).map(|row| row.1);
        assert_eq!(on("bypassgovernanceretention"), Some(On::Object));
        assert_eq!(on("listbucketmultipartuploads"), Some(On::Bucket));
        assert_eq!(on("listallmybuckets"), Some(On::Other));
    }
}
