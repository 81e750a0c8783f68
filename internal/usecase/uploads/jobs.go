package uploads

import (
	_ "embed" // the rights of jobs
	"slices"
	"strings"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
)

//go:embed jobs.txt
var jobsText string

// Jobs are what each job needs the right to call, by its RPC: all that it can need,
// whichever resource the file is of. They stand in a file, because the descriptors
// are not read at the start of a gateway; a test holds it to them.
func Jobs() map[string][]string {
	jobs := map[string][]string{}
	for line := range strings.Lines(jobsText) {
		if job, method, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			jobs[job] = append(jobs[job], method)
		}
	}
	return jobs
}

// findJobs finds them in the descriptors.
func findJobs() (map[string][]string, error) {
	all, err := kindsOnce()
	if err != nil {
		return nil, err
	}
	var files, sets []string
	for _, k := range all.list {
		files = append(files, k.methods()...)
		if strings.HasPrefix(k.schema, "AppAssetLibrary") || k.schema == "AppScreenshot" || k.schema == "AppPreview" {
			sets = append(sets, k.methods()...)
		}
	}
	builds := []string{listApps, listUploads, createBuildUpload, getBuildUpload, deleteUpload, listUploadFiles}
	files = append(files, metadatav1.AppAssetLibraryRefDataService_ListAppAssetLibraryRefData_FullMethodName)
	sets = append(sets, metadatav1.AppAssetLibraryRefDataService_ListAppAssetLibraryRefData_FullMethodName)
	upload := []string{uploadsv1.UploadService_Upload_FullMethodName}
	direct := []string{uploadsv1.UploadService_BeginDirectUpload_FullMethodName, uploadsv1.UploadService_CommitDirectUpload_FullMethodName}
	replace := []string{uploadsv1.UploadService_PlanReplaceAssets_FullMethodName, uploadsv1.UploadService_ReplaceAssets_FullMethodName,
		metadatav1.AppScreenshotSetsService_CreateAppScreenshotSet_FullMethodName,
		metadatav1.AppScreenshotSetsService_DeleteAppScreenshotSet_FullMethodName,
		metadatav1.AppPreviewSetsService_DeleteAppPreviewSet_FullMethodName,
		metadatav1.AppScreenshotSetsService_ReplaceAppScreenshotSetAppScreenshots_FullMethodName,
		metadatav1.AppPreviewSetsService_CreateAppPreviewSet_FullMethodName,
		metadatav1.AppPreviewSetsService_ReplaceAppPreviewSetAppPreviews_FullMethodName,
		metadatav1.AppAssetLibraryPlacementsService_CreateAppAssetLibraryPlacement_FullMethodName,
		metadatav1.AppAssetLibraryPlacementsService_DeleteAppAssetLibraryPlacement_FullMethodName,
		metadatav1.AppAssetLibraryPlacementOrderingRequestsService_CreateAppAssetLibraryPlacementOrderingRequest_FullMethodName,
	}
	for _, owner := range []string{"AppStoreVersionLocalization", "AppCustomProductPageLocalization",
		"AppStoreVersionExperimentTreatmentLocalization", "AppEventLocalization"} {
		for _, what := range []string{"AppScreenshotSets", "AppPreviewSets", "Placements"} {
			if m, err := find(owner+"sService", "List"+owner+what); err == nil {
				replace = append(replace, m.name)
			}
		}
	}
	jobs := map[string][]string{
		"Upload":            slices.Concat(upload, files, builds),
		"BeginDirectUpload": slices.Concat(direct, files, builds),
		"ReplaceAssets":     slices.Concat(replace, sets),
	}
	for name, list := range jobs {
		for i := range list {
			list[i] = strings.TrimPrefix(list[i], "/")
		}
		slices.Sort(list)
		jobs[name] = slices.Compact(list)
	}
	return jobs, nil
}

// methods are the calls that a kind needs.
func (k *kind) methods() (names []string) {
	for _, m := range []*method{k.create, k.get, k.update, k.remove} {
		if m != nil {
			names = append(names, m.name)
		}
	}
	for _, m := range k.siblings {
		names = append(names, m.name)
	}
	return names
}
