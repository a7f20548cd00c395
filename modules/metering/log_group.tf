locals {
  # HTTP API stages write through a resource policy limited to 5,120 characters; this prefix does not use it up.
  new_log_group_name = "/aws/vendedlogs/apigateway/${var.name}"

  log_group_arn = (
    var.existing_log_group == null ?
    "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.new_log_group_name}" :
    trimsuffix(var.existing_log_group.arn, ":*")
  )
  log_group_name = (
    var.existing_log_group == null ? aws_cloudwatch_log_group.access[0].name : data.aws_cloudwatch_log_group.existing[0].name
  )
}

resource "aws_cloudwatch_log_group" "access" {
  count = var.existing_log_group == null ? 1 : 0

  name              = local.new_log_group_name
  retention_in_days = var.log_retention_days
}

data "aws_cloudwatch_log_group" "existing" {
  count = var.existing_log_group == null ? 0 : 1

  # Out of the ARN, so that a group made in the same run is looked up after it exists.
  name = split(":", local.log_group_arn)[6]

  lifecycle {
    postcondition {
      condition     = self.log_group_class == "STANDARD"
      error_message = "`existing_log_group.arn` must be a log group of the Standard class: the others have no subscription filters. Name another group, or leave `existing_log_group` out to have one created."
    }

    postcondition {
      condition     = self.arn == local.log_group_arn
      error_message = "`existing_log_group.arn` must be in this provider's account and region, as a subscription filter reaches no other. Name a group here, or use a provider for the group's account and region."
    }
  }
}
