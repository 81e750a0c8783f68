package reports

// The headers of reports as Apple documents them, or as they were recorded. Files may
// have more columns, or fewer: each names its own.
var headers = map[string][]string{
	"SALES": {
		"Provider", "Provider Country", "SKU", "Developer", "Title", "Version", "Product Type Identifier",
		"Units", "Developer Proceeds", "Begin Date", "End Date", "Customer Currency", "Country Code",
		"Currency of Proceeds", "Apple Identifier", "Customer Price", "Promo Code", "Parent Identifier",
		"Subscription", "Period", "Category", "CMB", "Device", "Supported Platforms", "Proceeds Reason",
		"Preserved Pricing", "Client", "Order Type",
	},
	"PRE_ORDER": {
		"Provider", "Provider Country", "SKU", "Developer", "Title", "Pre-Order Start Date",
		"Pre-Order End Date", "Ordered", "Canceled", "Cumulative Ordered", "Cumulative Canceled", "Start Date",
		"End Date", "Country Code", "Apple Identifier", "Device", "Supported Platforms", "Category", "Client",
	},
	"SUBSCRIPTION": {
		"App Name", "App Apple ID", "Subscription Name", "Subscription Apple ID", "Subscription Group ID",
		"Standard Subscription Duration", "Subscription Offer Name", "Promotional Offer ID", "Customer Price",
		"Customer Currency", "Developer Proceeds", "Proceeds Currency", "Preserved Pricing", "Proceeds Reason",
		"Client", "Device", "State", "Country", "Active Standard Price Subscriptions",
		"Active Free Trial Introductory Offer Subscriptions",
		"Active Pay Up Front Introductory Offer Subscriptions",
		"Active Pay As You Go Introductory Offer Subscriptions", "Free Trial Promotional Offer Subscriptions",
		"Pay Up Front Promotional Offer Subscriptions", "Pay As You Go Promotional Offer Subscriptions",
		"Free Trial Offer Code Subscriptions", "Pay Up Front Offer Code Subscriptions",
		"Pay As You Go Offer Code Subscriptions", "Marketing Opt-Ins", "Billing Retry", "Grace Period",
		"Subscribers", "Free Trial Win-back Offers", "Pay Up Front Win-back Offers",
		"Pay As You Go Win-back Offers",
	},
	"SUBSCRIPTION_EVENT": {
		"Event Date", "Event", "App Name", "App Apple ID", "Subscription Name", "Subscription Apple ID",
		"Subscription Group ID", "Standard Subscription Duration", "Subscription Offer Type",
		"Subscription Offer Duration", "Marketing Opt-In", "Marketing Opt-In Duration", "Preserved Pricing",
		"Proceeds Reason", "Subscription Offer Name", "Promotional Offer ID", "Consecutive Paid Periods",
		"Original Start Date", "Device", "Client", "State", "Country", "Previous Subscription Name",
		"Previous Subscription Apple ID", "Days Before Canceling", "Cancellation Reason", "Days Canceled",
		"Quantity", "Paid Service Days Recovered",
	},
	"SUBSCRIBER": {
		"Event Date", "App Name", "App Apple ID", "Subscription Name", "Subscription Apple ID",
		"Subscription Group ID", "Standard Subscription Duration", "Subscription Offer Name",
		"Promotional Offer ID", "Subscription Offer Type", "Subscription Offer Duration",
		"Marketing Opt-In Duration", "Customer Price", "Customer Currency", "Developer Proceeds",
		"Proceeds Currency", "Preserved Pricing", "Proceeds Reason", "Client", "Device", "Country",
		"Subscriber ID", "Subscriber ID Reset", "Refund", "Purchase Date", "Units",
	},
	"WIN_BACK_ELIGIBILITY": {
		"App Name", "App Apple ID", "Subscription Name", "Subscription Apple ID", "Subscription Group ID",
		"Standard Subscription Duration", "Paid Subscription Tenure", "Time Since Last Subscribed",
		"Has Previously Redeemed Win-Back Offer", "Time Since Last Win-Back Offer", "Territory",
	},
	"SUBSCRIPTION_OFFER_CODE_REDEMPTION": {
		"Date", "App Name", "App Apple ID", "Subscription Name", "Subscription Apple ID",
		"Offer Reference Name", "Offer Code", "Territory", "Redemptions",
	},
	"FINANCIAL": {
		"Start Date", "End Date", "UPC", "ISRC/ISBN", "Vendor Identifier", "Quantity", "Partner Share",
		"Extended Partner Share", "Partner Share Currency", "Sale or Return", "Apple Identifier",
		"Artist/Show/Developer/Author", "Title", "Label/Studio/Network/Developer/Publisher", "Grid",
		"Product Type Identifier", "ISAN/Other Identifier", "Country Of Sale", "Pre-order Flag", "Promo Code",
		"Customer Price", "Customer Currency",
	},
	"FINANCE_DETAIL": {
		"Transaction Date", "Settlement Date", "Apple Identifier", "SKU", "Title", "Developer Name",
		"Product Type Identifier", "Country of Sale", "Quantity", "Partner Share", "Extended Partner Share",
		"Partner Share Currency", "Customer Price", "Customer Currency", "Sale or Return", "Promo Code",
		"Order Type", "Region",
	},
	"App Downloads": {
		"Date", "App Name", "App Apple Identifier", "Download Type", "App Version", "Device",
		"Platform Version", "Source Type", "Source Info", "Campaign", "Page Type", "Page Title", "Pre-Order",
		"Territory", "Counts",
	},
	"App Store Discovery and Engagement": {
		"Date", "App Name", "App Apple Identifier", "Event", "Page Type", "Source Type", "Engagement Type",
		"Device", "Platform Version", "Territory", "Counts", "Unique Counts", "Page Title", "Source Info",
		"Campaign",
	},
	"App Sessions": {
		"Date", "App Name", "App Apple Identifier", "App Version", "Device", "Platform Version", "Source Type",
		"Source Info", "Campaign", "Page Type", "Page Title", "App Download Date", "Territory", "Sessions",
		"Total Session Duration", "Unique Devices",
	},
	"App Store Installation and Deletion": {
		"Date", "App Name", "App Apple Identifier", "Event", "Download Type", "App Version", "Device",
		"Platform Version", "Source Type", "Source Info", "Campaign", "Page Type", "Page Title",
		"App Download Date", "Territory", "Counts", "Unique Devices",
	},
	"App Store Purchases": {
		"Date", "App Name", "App Apple Identifier", "Purchase Type", "Content Name",
		"Content Apple Identifier", "Payment Method", "Device", "Platform Version", "Source Type",
		"Source Info", "Campaign", "Page Type", "Page Title", "App Download Date", "Pre-Order", "Territory",
		"Purchases", "Proceeds in USD", "Sales in USD", "Paying Users",
	},
	"App Crashes": {
		"Date", "App Name", "App Apple Identifier", "App Version", "Build", "Device", "Platform",
		"Platform Version", "Release Type", "Territory", "Crashes", "Unique Devices", "Count",
	},
}
