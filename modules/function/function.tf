resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_338: an input, 30 days where the user wants no more: access logs name people
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = one(var.kms_key[*].arn)
  tags              = var.tags
}

locals {
  # What has its default is left out: the whole environment has 4 KB.
  environment = merge(
    var.environment,
    var.functions.ca_certificate_file == null ? {} : { REVENIUM_CA_FILE = local.ca_file },
    var.functions.log_level == "INFO" ? {} : { LOG_LEVEL = var.functions.log_level },
  )
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_116: each caller has what it needs: metering a failure destination, the others somebody who waits
  # checkov:skip=CKV_AWS_272: left to the user: a signing profile is the account's
  # checkov:skip=CKV_AWS_50: an input: `functions.tracing`
  function_name                  = var.name
  description                    = var.description
  role                           = local.role_arn
  runtime                        = var.runtime
  architectures                  = ["arm64"]
  handler                        = "${var.package}.handler.handler"
  filename                       = data.archive_file.package.output_path
  source_code_hash               = data.archive_file.package.output_base64sha256
  memory_size                    = var.memory_size
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = lookup(var.functions.reserved_concurrency, var.package, -1)
  kms_key_arn                    = one(var.kms_key[*].arn)
  tags                           = var.tags

  tracing_config {
    mode = var.functions.tracing ? "Active" : "PassThrough"
  }

  dynamic "environment" {
    for_each = length(local.environment) > 0 ? [local.environment] : []

    content {
      variables = environment.value
    }
  }

  dynamic "vpc_config" {
    for_each = var.functions.vpc[*]

    content {
      security_group_ids = vpc_config.value.security_group_ids
      subnet_ids         = vpc_config.value.subnet_ids
    }
  }

  # Lambda would make the group itself, without retention. It checks the role where the function joins a VPC, gets a queue
  # or a failure destination; and whoever invokes the function may do so from the moment it is there.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}
