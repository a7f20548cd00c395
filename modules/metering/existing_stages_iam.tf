locals {
  # API Gateway's ARNs have no account. https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagement.html
  api_gateway_arn = "arn:${local.partition}:apigateway:${local.region}::"

  existing_stage_arns = {
    for key, stage in var.existing_stages : key =>
    "${local.api_gateway_arn}/${stage.kind == "REST" ? "restapis" : "apis"}/${stage.api_id}/stages/${stage.stage}"
  }
  existing_stages_of = {
    for kind in ["REST", "HTTP", "WEBSOCKET"] : kind => [for key, stage in var.existing_stages : key if stage.kind == kind]
  }
  existing_stage_v2_keys = concat(local.existing_stages_of["HTTP"], local.existing_stages_of["WEBSOCKET"])
}

data "aws_iam_policy_document" "stage_logging" {
  count = length(var.existing_stages) > 0 ? 1 : 0

  statement {
    sid       = "ReadAndChangeTheNamedStages"
    actions   = ["apigateway:GET", "apigateway:PATCH"]
    resources = values(local.existing_stage_arns)
  }

  # Not DELETE on the stage: that would be the stage itself. A REST stage's access logs are taken off by PATCH.
  dynamic "statement" {
    for_each = length(local.existing_stage_v2_keys) > 0 ? [local.existing_stage_v2_keys] : []

    content {
      sid       = "TakeAccessLogsOffTheNamedStages"
      actions   = ["apigateway:DELETE"]
      resources = [for key in statement.value : "${local.existing_stage_arns[key]}/accesslogsettings"]
    }
  }

  statement {
    sid     = "SayWhichKindOfApiAnIdIs"
    actions = ["apigateway:GET"]
    resources = flatten([
      for id in distinct(values(var.existing_stages)[*].api_id) :
      ["${local.api_gateway_arn}/apis/${id}", "${local.api_gateway_arn}/restapis/${id}"]
    ])
  }

  statement {
    sid     = "RememberWhatTheStagesLoggedBefore"
    actions = ["ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter"]
    resources = [
      for name in values(local.stage_logging_parameters) :
      "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter${name}"
    ]
  }

  dynamic "statement" {
    for_each = length(local.existing_stages_of["HTTP"]) > 0 ? [true] : []

    content {
      sid = "SwitchOnLogsOfHttpApis"
      # What AWS wants whoever switches them on to have, without the reading of logs that its page adds:
      # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html
      actions = [
        "logs:CreateLogDelivery", "logs:CreateLogGroup", "logs:DeleteLogDelivery", "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
      ]
      # AWS's own requirement: API Gateway makes a log delivery and a policy in the caller's name, and most of these
      # actions know no resource.
      resources = ["*"]
    }
  }
}
