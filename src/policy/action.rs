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

    /// The actions of S3 that this covers, without `s3:`.
    pub(super) fn known(&self) -> impl Iterator<Item = &'static (&'static str, On)> {
        ACTIONS.iter().filter(|(name, _)| self.matches(&format!("s3:{name}")))
    }
}

/// Every action in lower case, without `s3:`.
const ACTIONS: &[(&str, On)] = &[
    ("abortmultipartupload", On::Object),
    ("bypassgovernanceretention", On::Object),
    ("deleteobject", On::Object),
    ("deleteobjecttagging", On::Object),
    ("deleteobjectversion", On::Object),
    ("deleteobjectversiontagging", On::Object),
    ("getobject", On::Object),
    ("getobjectacl", On::Object),
    ("getobjectattributes", On::Object),
    ("getobjectlegalhold", On::Object),
    ("getobjectretention", On::Object),
    ("getobjecttagging", On::Object),
    ("getobjecttorrent", On::Object),
    ("getobjectversion", On::Object),
    ("getobjectversionacl", On::Object),
    ("getobjectversionattributes", On::Object),
    ("getobjectversionforreplication", On::Object),
    ("getobjectversiontagging", On::Object),
    ("getobjectversiontorrent", On::Object),
    ("initiatereplication", On::Object),
    ("listmultipartuploadparts", On::Object),
    ("objectowneroverridetobucketowner", On::Object),
    ("putobject", On::Object),
    ("putobjectacl", On::Object),
    ("putobjectlegalhold", On::Object),
    ("putobjectretention", On::Object),
    ("putobjecttagging", On::Object),
    ("putobjectversionacl", On::Object),
    ("putobjectversiontagging", On::Object),
    ("replicatedelete", On::Object),
    ("replicateobject", On::Object),
    ("replicatetags", On::Object),
    ("restoreobject", On::Object),
    ("updateobjectencryption", On::Object),
    ("createbucket", On::Bucket),
    ("createbucketmetadatatableconfiguration", On::Bucket),
    ("deletebucket", On::Bucket),
    ("deletebucketmetadatatableconfiguration", On::Bucket),
    ("deletebucketpolicy", On::Bucket),
    ("deletebucketwebsite", On::Bucket),
    ("getaccelerateconfiguration", On::Bucket),
    ("getanalyticsconfiguration", On::Bucket),
    ("getbucketabac", On::Bucket),
    ("getbucketacl", On::Bucket),
    ("getbucketcors", On::Bucket),
    ("getbucketlocation", On::Bucket),
    ("getbucketlogging", On::Bucket),
    ("getbucketmetadatatableconfiguration", On::Bucket),
    ("getbucketnotification", On::Bucket),
    ("getbucketobjectlockconfiguration", On::Bucket),
    ("getbucketownershipcontrols", On::Bucket),
    ("getbucketpolicy", On::Bucket),
    ("getbucketpolicystatus", On::Bucket),
    ("getbucketpublicaccessblock", On::Bucket),
    ("getbucketrequestpayment", On::Bucket),
    ("getbuckettagging", On::Bucket),
    ("getbucketversioning", On::Bucket),
    ("getbucketwebsite", On::Bucket),
    ("getencryptionconfiguration", On::Bucket),
    ("getintelligenttieringconfiguration", On::Bucket),
    ("getinventoryconfiguration", On::Bucket),
    ("getlifecycleconfiguration", On::Bucket),
    ("getmetricsconfiguration", On::Bucket),
    ("getreplicationconfiguration", On::Bucket),
    ("listbucket", On::Bucket),
    ("listbucketmultipartuploads", On::Bucket),
    ("listbucketversions", On::Bucket),
    ("listtagsforresource", On::Bucket),
    ("pausereplication", On::Bucket),
    ("putaccelerateconfiguration", On::Bucket),
    ("putanalyticsconfiguration", On::Bucket),
    ("putbucketabac", On::Bucket),
    ("putbucketacl", On::Bucket),
    ("putbucketcors", On::Bucket),
    ("putbucketlogging", On::Bucket),
    ("putbucketnotification", On::Bucket),
    ("putbucketobjectlockconfiguration", On::Bucket),
    ("putbucketownershipcontrols", On::Bucket),
    ("putbucketpolicy", On::Bucket),
    ("putbucketpublicaccessblock", On::Bucket),
    ("putbucketrequestpayment", On::Bucket),
    ("putbuckettagging", On::Bucket),
    ("putbucketversioning", On::Bucket),
    ("putbucketwebsite", On::Bucket),
    ("putencryptionconfiguration", On::Bucket),
    ("putintelligenttieringconfiguration", On::Bucket),
    ("putinventoryconfiguration", On::Bucket),
    ("putlifecycleconfiguration", On::Bucket),
    ("putmetricsconfiguration", On::Bucket),
    ("putreplicationconfiguration", On::Bucket),
    ("tagresource", On::Bucket),
    ("untagresource", On::Bucket),
    ("updatebucketmetadatainventorytableconfiguration", On::Bucket),
    ("updatebucketmetadatajournaltableconfiguration", On::Bucket),
    ("associateaccessgrantsidentitycenter", On::Other),
    ("createaccessgrant", On::Other),
    ("createaccessgrantsinstance", On::Other),
    ("createaccessgrantslocation", On::Other),
    ("createaccesspoint", On::Other),
    ("createaccesspointforobjectlambda", On::Other),
    ("createjob", On::Other),
    ("createmultiregionaccesspoint", On::Other),
    ("createstoragelensgroup", On::Other),
    ("deleteaccessgrant", On::Other),
    ("deleteaccessgrantsinstance", On::Other),
    ("deleteaccessgrantsinstanceresourcepolicy", On::Other),
    ("deleteaccessgrantslocation", On::Other),
    ("deleteaccesspoint", On::Other),
    ("deleteaccesspointforobjectlambda", On::Other),
    ("deleteaccesspointpolicy", On::Other),
    ("deleteaccesspointpolicyforobjectlambda", On::Other),
    ("deletejobtagging", On::Other),
    ("deletemultiregionaccesspoint", On::Other),
    ("deletestoragelensconfiguration", On::Other),
    ("deletestoragelensconfigurationtagging", On::Other),
    ("deletestoragelensgroup", On::Other),
    ("describejob", On::Other),
    ("describemultiregionaccesspointoperation", On::Other),
    ("dissociateaccessgrantsidentitycenter", On::Other),
    ("getaccessgrant", On::Other),
    ("getaccessgrantsinstance", On::Other),
    ("getaccessgrantsinstanceforprefix", On::Other),
    ("getaccessgrantsinstanceresourcepolicy", On::Other),
    ("getaccessgrantslocation", On::Other),
    ("getaccesspoint", On::Other),
    ("getaccesspointconfigurationforobjectlambda", On::Other),
    ("getaccesspointforobjectlambda", On::Other),
    ("getaccesspointpolicy", On::Other),
    ("getaccesspointpolicyforobjectlambda", On::Other),
    ("getaccesspointpolicystatus", On::Other),
    ("getaccesspointpolicystatusforobjectlambda", On::Other),
    ("getaccountpublicaccessblock", On::Other),
    ("getdataaccess", On::Other),
    ("getjobtagging", On::Other),
    ("getmultiregionaccesspoint", On::Other),
    ("getmultiregionaccesspointpolicy", On::Other),
    ("getmultiregionaccesspointpolicystatus", On::Other),
    ("getmultiregionaccesspointroutes", On::Other),
    ("getstoragelensconfiguration", On::Other),
    ("getstoragelensconfigurationtagging", On::Other),
    ("getstoragelensdashboard", On::Other),
    ("getstoragelensgroup", On::Other),
    ("listaccessgrants", On::Other),
    ("listaccessgrantsinstances", On::Other),
    ("listaccessgrantslocations", On::Other),
    ("listaccesspoints", On::Other),
    ("listaccesspointsforobjectlambda", On::Other),
    ("listallmybuckets", On::Other),
    ("listcalleraccessgrants", On::Other),
    ("listjobs", On::Other),
    ("listmultiregionaccesspoints", On::Other),
    ("liststoragelensconfigurations", On::Other),
    ("liststoragelensgroups", On::Other),
    ("putaccessgrantsinstanceresourcepolicy", On::Other),
    ("putaccesspointconfigurationforobjectlambda", On::Other),
    ("putaccesspointpolicy", On::Other),
    ("putaccesspointpolicyforobjectlambda", On::Other),
    ("putaccesspointpublicaccessblock", On::Other),
    ("putaccountpublicaccessblock", On::Other),
    ("putjobtagging", On::Other),
    ("putmultiregionaccesspointpolicy", On::Other),
    ("putstoragelensconfiguration", On::Other),
    ("putstoragelensconfigurationtagging", On::Other),
    ("submitmultiregionaccesspointroutes", On::Other),
    ("updateaccessgrantslocation", On::Other),
    ("updatejobpriority", On::Other),
    ("updatejobstatus", On::Other),
    ("updatestoragelensgroup", On::Other),
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
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
            assert!(ACTIONS[..at].iter().all(|row| row.0 != *name), "{name}");
        }
        let on = |name: &str| ACTIONS.iter().find(|row| row.0 == name).map(|row| row.1);
        assert_eq!(on("bypassgovernanceretention"), Some(On::Object));
        assert_eq!(on("listbucketmultipartuploads"), Some(On::Bucket));
        assert_eq!(on("listallmybuckets"), Some(On::Other));
    }
}
