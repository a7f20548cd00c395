locals {
  given_role = lookup(var.functions.roles, var.package, null)
  role_arn   = local.given_role == null ? aws_iam_role.this[0].arn : local.given_role.arn

  network_actions = [
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
  ]
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "LambdaOfThisAccountAssumesTheRole"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "this" {
  # A null object, not a null ARN: the ARN of a role made in the same run is unknown at plan.
  count = local.given_role == null ? 1 : 0

  name                 = var.role_name
  path                 = var.functions.iam_path
  description          = "Execution role of the ${var.name} function."
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.functions.permissions_boundary_arn
  tags                 = var.tags
}

data "aws_iam_policy_document" "own" {
  statement {
    sid     = "WriteOwnLogGroup"
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    # `*` stands for the group's streams, whose names Lambda makes up.
    resources = ["${local.log_group_arn}:*"]
  }

  dynamic "statement" {
    for_each = var.functions.tracing ? [true] : []

    content {
      sid     = "SendTraces"
      actions = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      # X-Ray knows no resource for them: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = var.functions.vpc[*]

    content {
      sid     = "JoinTheVpc"
      actions = local.network_actions
      # Lambda demands them so: it makes the interfaces in the role's name before they have one of their own.
      # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
      resources = ["*"]
    }
  }

  # What Lambda's service does with these rights, the function's own code must not.
  dynamic "statement" {
    for_each = var.functions.vpc[*]

    content {
      sid       = "KeepTheCodeFromTheVpc"
      effect    = "Deny"
      actions   = local.network_actions
      resources = ["*"]

      condition {
        test     = "ArnEquals"
        variable = "lambda:SourceFunctionArn"
        values   = [local.function_arn]
      }
    }
  }
}

locals {
  policies = merge({ write-logs = data.aws_iam_policy_document.own.json }, var.policies)
}

resource "aws_iam_role_policy" "this" {
  for_each = { for name, policy in local.policies : name => policy if local.given_role == null }

  name   = each.key
  role   = aws_iam_role.this[0].name
  policy = each.value
}

data "aws_iam_policy_document" "role" {
  source_policy_documents = values(local.policies)
}
