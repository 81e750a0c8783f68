package restrict

// class is whose a resource type is.
type class int

const (
	owned        class = iota // an app's: the default
	shared                    // several apps' at once
	catalog                   // everyone's, and only read
	organisation              // the organisation's
)

type classified struct {
	class  class
	reason string
}

// classes lists the types that are no app's. What is not listed must be shown to
// be an app's, by a walk or by learning.
var classes = map[string]classified{
	"appAssetLibraryRefData":          {catalog, "sizes and limits of images and videos"},
	"appCategories":                   {catalog, "categories of the App Store"},
	"betaRecruitmentCriterionOptions": {catalog, "devices and systems to choose from"},
	"ciMacOsVersions":                 {catalog, "macOS versions to choose from"},
	"ciXcodeVersions":                 {catalog, "Xcode versions to choose from"},
	"territories":                     {catalog, "territories of the App Store"},

	"betaTesters": {shared, "by the apps it tests: one of them to read, all of them to delete"},

	"actors":                                    {organisation, "people and keys of the organisation"},
	"alternativeDistributionDomains":            {organisation, "web distribution of the organisation"},
	"certificates":                              {organisation, "signs every app"},
	"devices":                                   {organisation, "are registered for every app"},
	"financeReports":                            {organisation, "tell of every app"},
	"gameCenterDetailPlayers":                   {organisation, "say by the attribute bundleId whose they are"},
	"gameCenterGroups":                          {organisation, "join several apps"},
	"gameCenterLeaderboardEntrySubmissions":     {organisation, "name their leaderboard by an attribute"},
	"gameCenterMatchmakingQueues":               {organisation, "serve several apps"},
	"gameCenterMatchmakingRuleSetTests":         {organisation, "serve several apps"},
	"gameCenterMatchmakingRuleSets":             {organisation, "serve several apps"},
	"gameCenterMatchmakingRules":                {organisation, "serve several apps"},
	"gameCenterMatchmakingTeams":                {organisation, "serve several apps"},
	"gameCenterMatchmakingTestPlayerProperties": {organisation, "serve several apps"},
	"gameCenterPlayerAchievementSubmissions":    {organisation, "name their achievement by an attribute"},
	"marketplaceWebhooks":                       {organisation, "hear of every app"},
	"merchantIds":                               {organisation, "serve every app"},
	"nominations":                               {organisation, "may tell of several apps"},
	"passTypeIds":                               {organisation, "serve every app"},
	"salesReports":                              {organisation, "tell of every app"},
	"sandboxTesters":                            {organisation, "test every app"},
	"sandboxTestersClearPurchaseHistoryRequest": {organisation, "test every app"},
	"scmGitReferences":                          {organisation, "source code of the organisation"},
	"scmProviders":                              {organisation, "source code of the organisation"},
	"scmPullRequests":                           {organisation, "source code of the organisation"},
	"scmRepositories":                           {organisation, "source code of the organisation"},
	"userInvitations":                           {organisation, "people of the organisation"},
	"users":                                     {organisation, "people of the organisation"},
}

// crossings are relationships from what is one app's to what may be another's.
var crossings = map[string]map[string]string{
	"betaTesters": {
		"apps":       "a tester's other apps",
		"betaGroups": "a tester's groups in other apps",
		"builds":     "a tester's builds of other apps",
	},
	"gameCenterAppVersions":     {"compatibilityVersions": "versions of the other apps of a Game Center group"},
	"gameCenterEnabledVersions": {"compatibleVersions": "versions of the other apps of a Game Center group"},
	"gameCenterAchievements":    {"groupAchievement": "the achievement of a group of apps"},
	"gameCenterLeaderboards":    {"groupLeaderboard": "the leaderboard of a group of apps"},
	"gameCenterLeaderboardSets": {"groupLeaderboardSet": "the leaderboard set of a group of apps"},
}

// onlyParents name, for types that may belong to a group of apps instead of one,
// the relationship that tells. The others say nothing of whose they are.
var onlyParents = map[string]string{
	"gameCenterAchievements":    "gameCenterDetail",
	"gameCenterActivities":      "gameCenterDetail",
	"gameCenterChallenges":      "gameCenterDetail",
	"gameCenterLeaderboards":    "gameCenterDetail",
	"gameCenterLeaderboardSets": "gameCenterDetail",
}

// filterTypes are the filters that take ids, and the types of these. Besides,
// filter[id] takes ids of the list's own type.
var filterTypes = map[string]string{
	"app":                              "apps",
	"appCustomProductPageLocalization": "appCustomProductPageLocalizations",
	"appEventLocalization":             "appEventLocalizations",
	"appStoreVersion":                  "appStoreVersions",
	"appStoreVersionExperimentTreatmentLocalization": "appStoreVersionExperimentTreatmentLocalizations",
	"appStoreVersionLocalization":                    "appStoreVersionLocalizations",
	"appStoreVersions":                               "appStoreVersions",
	"apps":                                           "apps",
	"betaGroups":                                     "betaGroups",
	"betaTesters":                                    "betaTesters",
	"build":                                          "builds",
	"build.preReleaseVersion":                        "preReleaseVersions",
	"builds":                                         "builds",
	"gameCenterAchievement":                          "gameCenterAchievements",
	"gameCenterDetail":                               "gameCenterDetails",
	"gameCenterDetails":                              "gameCenterDetails",
	"gameCenterLeaderboard":                          "gameCenterLeaderboards",
	"gameCenterLeaderboardSet":                       "gameCenterLeaderboardSets",
	"gameCenterMatchmakingQueue":                     "gameCenterMatchmakingQueues",
	"image":                                          "appAssetLibraryImages",
	"inAppPurchaseV2":                                "inAppPurchases",
	"preReleaseVersion":                              "preReleaseVersions",
	"relatedApps":                                    "apps",
	"reviewTerritory":                                "territories",
	"subscription":                                   "subscriptions",
	"subscriptionPricePoint":                         "subscriptionPricePoints",
	"territory":                                      "territories",
	"tester":                                         "betaTesters",
	"upfrontPricePointId":                            "subscriptionPricePoints",
	"video":                                          "appAssetLibraryVideos",
	"visibleApps":                                    "apps",
}

// plainFilters take no ids. A filter that is in neither list is new: callers
// that are kept to apps may not use it, and a test says so.
var plainFilters = []string{
	"archived", "assetPackIdentifier", "builds.expired", "builds.version", "bundleId", "canBeSubmitted",
	"cfBundleShortVersionString", "cfBundleVersion", "createdDateGreaterThanOrEqualTo", "createdDateLessThan",
	"deviceModel", "deviceType", "displayName", "email", "enabled", "endDate", "expired", "features", "firstName",
	"gameCenterAppVersions.enabled", "hasInAppEvents", "identifier", "isInternalGroup", "lastName", "live",
	"locale", "name", "osVersion", "placementGroup", "placementProfileGroups", "placementTypes", "planType",
	"platform", "preReleaseVersion.version", "processingDate", "productId", "publicLink", "publicLinkEnabled",
	"publicLinkLimitEnabled", "rating", "referenceName", "regionCode", "reportDate", "result", "seedId",
	"serialNumber", "sku", "specId", "specs", "startDate", "state", "udid", "username", "usesNonExemptEncryption",
	"vendorNumber", "version", "versions.locale", "versionString", "visible", "visibleInAppStore",
}

// ownRules are those of the gateway's own methods.
var ownRules = map[string]struct {
	kind         Kind
	by, pathType string
}{
	"ascgateway.catalog.v1.CatalogService/ListResources":          {Catalog, "what there is to call", ""},
	"ascgateway.catalog.v1.CatalogService/GetResource":            {Catalog, "what there is to call", ""},
	"ascgateway.catalog.v1.CatalogService/SearchOperations":       {Catalog, "what there is to call", ""},
	"ascgateway.catalog.v1.CatalogService/GetVersion":             {Catalog, "what there is to call", ""},
	"ascgateway.quota.v1.QuotaService/GetQuota":                   {Catalog, "numbers of the team's keys", ""},
	"ascgateway.quota.v1.QuotaService/WatchQuota":                 {Catalog, "numbers of the team's keys", ""},
	"ascgateway.workflows.v1.WorkflowService/PlanDistributeBuild": {Through, "every inner call is checked", ""},
	"ascgateway.workflows.v1.WorkflowService/DistributeBuild":     {Through, "every inner call is checked", ""},
	"ascgateway.uploads.v1.UploadService/Upload":                  {Through, "every inner call is checked", ""},
	"ascgateway.uploads.v1.UploadService/PlanReplaceAssets":       {Through, "every inner call is checked", ""},
	"ascgateway.uploads.v1.UploadService/ReplaceAssets":           {Through, "every inner call is checked", ""},
	"ascgateway.uploads.v1.UploadService/BeginDirectUpload":       {Through, "every inner call is checked", ""},
	"ascgateway.uploads.v1.UploadService/CommitDirectUpload":      {Through, "every inner call is checked", ""},
	"ascgateway.reports.v1.ReportService/StreamSalesReport":       {Through, "rows of other apps are left out", ""},
	"ascgateway.reports.v1.ReportService/StreamSubscriberReport":  {Through, "rows of other apps are left out", ""},
	"ascgateway.reports.v1.ReportService/StreamFinanceReport":     {Through, "rows of other apps are left out", ""},
	"ascgateway.reports.v1.ReportService/StreamPowerMetrics":      {Through, "every inner call is checked", ""},
	"ascgateway.reports.v1.ReportService/StreamDiagnostics":       {Through, "every inner call is checked", ""},
	"ascgateway.reports.v1.ReportService/StreamAnalyticsReport":   {Through, "every inner call is checked", ""},
	"ascgateway.reports.v1.ReportService/StartAnalyticsReports":   {Through, "every inner call is checked", ""},
	"ascgateway.reports.v1.ReportService/ListReports":             {Catalog, "what there is to ask for", ""},
	"ascgateway.operations.v1.OperationService/ListOperations":    {Stored, "operations of the caller's apps", ""},
	"ascgateway.operations.v1.OperationService/GetOperation":      {Stored, "operations of the caller's apps", ""},
	"ascgateway.operations.v1.OperationService/WatchOperation":    {Stored, "operations of the caller's apps", ""},
	"ascgateway.operations.v1.OperationService/CancelOperation":   {Stored, "operations of the caller's apps", ""},
	"ascgateway.operations.v1.OperationService/ApproveOperation":  {Stored, "operations of the caller's apps", ""},
	"google.longrunning.Operations/ListOperations":                {Stored, "operations of the caller's apps", ""},
	"google.longrunning.Operations/GetOperation":                  {Stored, "operations of the caller's apps", ""},
	"google.longrunning.Operations/WaitOperation":                 {Stored, "operations of the caller's apps", ""},
	"google.longrunning.Operations/CancelOperation":               {Stored, "operations of the caller's apps", ""},
	"ascgateway.files.v1.FileService/DownloadFile":                {Through, "every inner call is checked", ""},
	"ascgateway.files.v1.FileService/DownloadAnalyticsReportSegment": {
		Learned, "analyticsReportSegments: as the segment itself", "analyticsReportSegments",
	},
}
