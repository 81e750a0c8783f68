"""Follows the newest build of the first app until Apple has processed it, and saves the nightly sales report.

README.md beside it has the lines that make the stubs and start it.
"""

import argparse
import gzip
import time

import grpc
from google.rpc import error_details_pb2, status_pb2

from asc.enums.v1 import sales_report_report_type_pb2 as report_type
from asc.enums.v1 import sales_report_report_sub_type_pb2 as report_sub_type
from asc.enums.v1 import sales_report_frequency_pb2 as frequency
from asc.metadata.v1 import apps_pb2, apps_pb2_grpc
from asc.reporting.v1 import sales_reports_pb2, sales_reports_pb2_grpc
from asc.testflight.v1 import builds_pb2, builds_pb2_grpc

METADATA = (("asc-priority", "batch"),)


def retry_delay(error: grpc.RpcError):
    """How long to wait before a call may be repeated, in seconds; None: it may not."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            for detail in status.details:
                info = error_details_pb2.RetryInfo()
                if detail.Unpack(info):
                    return info.retry_delay.ToTimedelta().total_seconds()
    return None


def call(method, request, attempts=3):
    """Makes a unary call, and repeats it where the gateway says when."""
    for attempt in range(attempts):
        try:
            return method(request, timeout=60, metadata=METADATA)
        except grpc.RpcError as error:
            delay = retry_delay(error)
            if delay is None or attempt == attempts - 1:
                raise
            time.sleep(delay)


def follow(channel):
    """Waits until the newest build is no longer being processed."""
    app = call(apps_pb2_grpc.AppsServiceStub(channel).ListApps, apps_pb2.ListAppsRequest(page_size=1)).apps[0]
    builds = builds_pb2_grpc.BuildsServiceStub(channel)
    newest = call(builds.ListBuilds, builds_pb2.ListBuildsRequest(filter={"app": [app.id]}, sort=["-uploadedDate"], page_size=1)).builds[0]
    states = newest.DESCRIPTOR.fields_by_name["processing_state"].enum_type
    while True:
        build = call(builds.GetBuild, builds_pb2.GetBuildRequest(id=newest.id)).build
        state = states.values_by_number[build.processing_state].name
        print(f"{app.name} {build.version}: {state}")
        if state != "PROCESSING":
            return
        time.sleep(5)


def sales(channel, vendor):
    """Reads the sales report, which comes as a stream: its description, then its bytes."""
    request = sales_reports_pb2.ListSalesReportsRequest()
    request.filter.vendor_number.append(vendor)
    request.filter.report_type.append(report_type.SalesReportReportTypeEnum.SALES)
    request.filter.report_sub_type.append(report_sub_type.SalesReportReportSubTypeEnum.SUMMARY)
    request.filter.frequency.append(frequency.SalesReportFrequencyEnum.DAILY)
    info, data = None, bytearray()
    for part in sales_reports_pb2_grpc.SalesReportsServiceStub(channel).ListSalesReports(request, timeout=120, metadata=METADATA):
        if part.HasField("info"):
            info = part.info
        else:
            data += part.data
    rows = gzip.decompress(bytes(data)).decode().strip().split("\n")
    print(f"{info.filename} ({info.content_type}): {len(data)} bytes, {len(rows) - 1} rows")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gateway", default="127.0.0.1:9090")
    parser.add_argument("--vendor", default="80000000")
    arguments = parser.parse_args()
    with grpc.insecure_channel(arguments.gateway) as channel:
        follow(channel)
        sales(channel, arguments.vendor)


if __name__ == "__main__":
    main()
